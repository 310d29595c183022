"""The target `nginx`: real nginx, the script that runs it, the manifests."""
