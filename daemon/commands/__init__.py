"""The commands of `klaxond`, one module each: flags in, work done elsewhere, words out."""
