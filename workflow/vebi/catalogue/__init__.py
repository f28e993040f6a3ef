"""What there is to choose from: a record each for methods, architectures and descriptors.

Plain data, imported by every layer. Functions are named as text, `vebi.module:name`, so that nothing
here imports torch; `record.resolve` leads from the text to the function.
"""
