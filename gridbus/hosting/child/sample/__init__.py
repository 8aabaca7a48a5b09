"""A small plugin that is loaded once before processes are forked, so that they load theirs sooner."""
