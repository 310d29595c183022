"""What a spec makes, as pictures: graphs for Mermaid and one page for a browser.

Facts come from the resolved project and from the compiled files (what a patch changed is shown as it will be); they are
plain data. `graphs` and `drawings` turn them into nodes and shapes, `mermaid` and `page` into text.
"""
