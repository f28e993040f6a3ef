"""Rendered flowers whose class is the colour of one part, with the exact mask of that part.

`scene` draws every parameter of an image, `geometry` turns them into meshes and a camera, `render`
makes a chunk of images with Blender, `assemble` joins the chunks to the data set file. The first
three run in the rendering environment too, which has numpy, h5py, pillow and tqdm only.
"""
