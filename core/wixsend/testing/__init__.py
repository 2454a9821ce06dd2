"""What authors of plugins, and our own tests, build on: stateful fakes at the wire, the sandbox, the conformance suite."""
