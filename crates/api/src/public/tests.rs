//! The public listener on a socket of the loopback, with a CA, books and a register in memory.

mod est;
mod hostile;
mod openssl;
mod served;
mod world;
