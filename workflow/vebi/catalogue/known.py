"""The methods that the benchmark compares."""

from vebi.catalogue.methods import METHODS, user_method

# Features that the mu-Lasso selected. The two rankings of Lengerich et al. draw as deconv_gb does.
OF_FEATURES = tuple(name for name, one in METHODS.items() if one.metric == "relevance")
OF_CLASS = tuple(name for name, one in METHODS.items() if one.explains == "class")
# Of other libraries, by what their negative values mean (docs/methods.md).
ADAPTED = (
    user_method("captum:Saliency", "captum:Saliency", "absolute"),
    user_method("captum:DeepLift", "captum:DeepLift"),
    user_method(
        "captum:Occlusion",
        "captum:Occlusion(sliding_window_shapes=[3, 24, 24], strides=[3, 12, 12], baselines=128)",
    ),
    user_method("zennit:EpsilonAlpha2Beta1", "zennit:EpsilonAlpha2Beta1"),
    user_method("zennit:ExcitationBackprop", "zennit:ExcitationBackprop"),
    user_method("pytorch_grad_cam:EigenCAM", "pytorch_grad_cam:EigenCAM"),
    user_method("pytorch_grad_cam:GradCAMPlusPlus", "pytorch_grad_cam:GradCAMPlusPlus"),
    user_method("pytorch_grad_cam:LayerCAM", "pytorch_grad_cam:LayerCAM"),
)
KNOWN = (*OF_FEATURES, *OF_CLASS, *(one.name for one in ADAPTED))
