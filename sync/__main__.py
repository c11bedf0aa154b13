"""`python -m sync` is `pipedrive-sync`."""

from sync.cli import main

if __name__ == "__main__":
    main()
