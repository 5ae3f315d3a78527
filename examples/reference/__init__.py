"""The parts of the reference study: a module a method, what is found, and how it is judged."""
