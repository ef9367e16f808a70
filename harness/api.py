"""What `import harness` offers."""
