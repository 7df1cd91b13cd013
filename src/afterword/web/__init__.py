"""What the pages that Afterword makes or serves have in common: colours, style, shades, the sheet, template and policy.

`pages.py` puts a page together. The other files are the styles, and the scripts of the sheet on which a person and a
model write.
"""
