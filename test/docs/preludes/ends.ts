// Owns: the end of a sample that leaves its client open.
// sample
process.exit();
