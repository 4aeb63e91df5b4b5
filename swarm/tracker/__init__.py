"""Resolves tags, introduces peers, grants leases."""
