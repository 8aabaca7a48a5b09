"""``python -m gridbus``."""

from gridbus.cli import main

if __name__ == "__main__":
    main()
