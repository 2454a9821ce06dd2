"""The GoDaddy plugin of wixsend."""
