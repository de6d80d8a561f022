"""How far flows go: workers behind each broker, cameras behind one gateway, and a model of both."""
