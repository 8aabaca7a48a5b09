"""``gridbus dev``: the loop of a plugin's author."""
