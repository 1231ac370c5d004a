# Run by hand, with the libraries installed.
collect_ignore = ["golden/make.py"]
