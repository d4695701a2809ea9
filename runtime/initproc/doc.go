package initproc
