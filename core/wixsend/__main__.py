"""`python -m wixsend` is `wixsend`."""

from wixsend.cli import main

main()
