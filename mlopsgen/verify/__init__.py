"""Other people's judges on what a build makes: which files each looks at, how it is asked, what it said and where."""
