"""Settings of klaxond: one YAML file, environment, secret files and flags, checked before anything starts."""
