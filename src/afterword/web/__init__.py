"""What all pages share: colours, style, the sheet, and the engine that writes in a browser.

`pages.py` assembles a page. The other files are the styles, and the scripts of the sheet on which a person and a model
write.
"""
