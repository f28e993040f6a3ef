"""What surfaces and sky look like: Blender's shader nodes."""

from typing import Any


def linear(value: float) -> float:
    """sRGB to linear light, which Blender's colours are in."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def make_material(data: Any, name: str, gloss: float, translucency: float) -> Any:
    """Colour and ambient light come from the object, the factor `shade` from the mesh."""
    material = data.materials.new(name)
    material.use_nodes = True
    # Else Cycles takes the ambient emission for a lamp that lights the neighbours.
    material.cycles.emission_sampling = "NONE"
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    info = nodes.new("ShaderNodeObjectInfo")
    shade = nodes.new("ShaderNodeAttribute")
    shade.attribute_name = "shade"
    colour = nodes.new("ShaderNodeVectorMath")
    colour.operation = "SCALE"
    links.new(info.outputs["Color"], colour.inputs[0])
    links.new(shade.outputs["Fac"], colour.inputs["Scale"])

    surface = nodes.new("ShaderNodeBsdfDiffuse")
    links.new(colour.outputs[0], surface.inputs["Color"])
    for share, kind in (
        (translucency, "ShaderNodeBsdfTranslucent"),
        (gloss, "ShaderNodeBsdfGlossy"),
    ):
        if share:
            extra, mix = nodes.new(kind), nodes.new("ShaderNodeMixShader")
            if kind == "ShaderNodeBsdfTranslucent":
                links.new(colour.outputs[0], extra.inputs["Color"])
            else:
                extra.inputs["Roughness"].default_value = 0.35
            mix.inputs[0].default_value = share
            links.new(surface.outputs[0], mix.inputs[1])
            links.new(extra.outputs[0], mix.inputs[2])
            surface = mix

    # Ambient light: stronger on what faces up, as under an open sky. The object's alpha carries it.
    turned = nodes.new("ShaderNodeSeparateXYZ")
    links.new(nodes.new("ShaderNodeNewGeometry").outputs["Normal"], turned.inputs[0])
    facing = nodes.new("ShaderNodeMath")
    facing.operation = "MULTIPLY_ADD"
    facing.inputs[1].default_value, facing.inputs[2].default_value = 0.30, 0.70
    links.new(turned.outputs["Z"], facing.inputs[0])
    strength = nodes.new("ShaderNodeMath")
    strength.operation = "MULTIPLY"
    links.new(facing.outputs[0], strength.inputs[0])
    links.new(info.outputs["Alpha"], strength.inputs[1])
    ambient = nodes.new("ShaderNodeEmission")
    links.new(colour.outputs[0], ambient.inputs["Color"])
    links.new(strength.outputs[0], ambient.inputs["Strength"])

    both = nodes.new("ShaderNodeAddShader")
    links.new(surface.outputs[0], both.inputs[0])
    links.new(ambient.outputs[0], both.inputs[1])
    links.new(both.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def make_part_material(data: Any) -> Any:
    """Red: the object's number / 255, which 8 bits without colour management keep. Green: if it is lit.

    Green is a surface, seen from either side, that lets the sun through to the other one: thin petals
    and leaves are lit from behind, too.
    """
    material = data.materials.new("part")
    material.use_nodes = True
    material.cycles.emission_sampling = "NONE"
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    info, emission = nodes.new("ShaderNodeObjectInfo"), nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (1.0, 0.0, 0.0, 1.0)
    both = nodes.new("ShaderNodeAddShader")
    links.new(emission.outputs[0], both.inputs[0])
    light = nodes.new("ShaderNodeMixShader")
    links.new(light.outputs[0], both.inputs[1])
    for k, kind in enumerate(("ShaderNodeBsdfDiffuse", "ShaderNodeBsdfTranslucent")):
        side = nodes.new(kind)
        side.inputs["Color"].default_value = (0.0, 1.0, 0.0, 1.0)
        links.new(side.outputs[0], light.inputs[1 + k])
    scale = nodes.new("ShaderNodeMath")
    scale.operation = "DIVIDE"
    scale.inputs[1].default_value = 255.0
    links.new(info.outputs["Object Index"], scale.inputs[0])
    links.new(scale.outputs[0], emission.inputs["Strength"])
    links.new(both.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def make_world(data: Any) -> Any:
    """A sky that blends from `horizon` to `sky` up the picture and lights nothing."""
    world = data.worlds.new("sky")
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    colours = []
    for name in ("horizon", "sky"):
        node = nodes.new("ShaderNodeRGB")
        node.name = name
        colours.append(node)
    place, window = nodes.new("ShaderNodeSeparateXYZ"), nodes.new("ShaderNodeTexCoord")
    links.new(window.outputs["Window"], place.inputs[0])
    mix = nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    links.new(place.outputs["Y"], mix.inputs["Factor"])
    inputs = [socket for socket in mix.inputs if socket.type == "RGBA"]
    output = next(socket for socket in mix.outputs if socket.type == "RGBA")
    for node, socket in zip(colours, inputs, strict=True):
        links.new(node.outputs[0], socket)
    background = nodes.new("ShaderNodeBackground")
    links.new(output, background.inputs["Color"])
    links.new(background.outputs[0], nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    return world
