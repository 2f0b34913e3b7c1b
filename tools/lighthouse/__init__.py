"""The website's pages as Lighthouse sees them on a phone."""
