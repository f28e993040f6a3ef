"""The McGill reproduction of VEBI 4.1, reproduced and audited: two networks on MNIST, what they lose."""
