"""The Cloudflare plugin of wixsend."""
