"""`klaxond replay`: a file through the daemon's decoder and estimators, in words, numbers and a picture."""
