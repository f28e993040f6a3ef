"""Explanations of single images by any network, from Python and from the command line."""
