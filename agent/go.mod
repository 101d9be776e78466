module opensandbox/agent

go 1.19
