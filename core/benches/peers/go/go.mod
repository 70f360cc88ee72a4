module gmp/peers

go 1.24
