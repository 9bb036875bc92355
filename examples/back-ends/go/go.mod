module holdfast.dev/examples/back-end

go 1.24
