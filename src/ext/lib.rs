//! kqueue.so
