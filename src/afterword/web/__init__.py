"""The common parts of all pages that Afterword makes or serves: colours, style, shades, sheet, template and policy.

`pages.py` assembles a page. The other files are the styles, and the scripts of the sheet on which a person and a model
write.
"""
