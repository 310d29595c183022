"""The only code that touches the user's tree: what we own, what would change, how it is written.

`fast` answers whether there is nothing to do, `write.together` does the rest.
Nothing is imported here, so that `fast` starts quickly.
"""
