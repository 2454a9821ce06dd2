"""The Namecheap plugin of wixsend."""
