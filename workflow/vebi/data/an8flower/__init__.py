"""Rendered flowers whose class is carried by one part, with exact masks of every part.

`scene` draws every parameter of an image, `geometry` turns them into meshes and a camera, `parts` names
what a pixel can show, `changes` says what an intervention changes. `render` makes a chunk of images
with Blender (`materials`: its shaders), `intervene` a chunk of interventions. These run in the rendering
environment too, which has numpy, h5py, pillow and tqdm only. `launch` starts that environment,
`assemble` joins chunks to one file, `publish` makes a set for use without the pipeline (`card`: what it
says of itself).
"""
