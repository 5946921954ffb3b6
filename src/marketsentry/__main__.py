"""`python -m marketsentry` is the command line."""

from marketsentry.cli.app import main

if __name__ == "__main__":
    main()
