-- The windows of 10 seconds: one row for each machine and window, however often it is written.
CREATE TABLE IF NOT EXISTS heat (
  line text NOT NULL,
  machine text NOT NULL,
  at bigint NOT NULL,
  mean double precision NOT NULL,
  most double precision NOT NULL,
  p99 double precision NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (machine, at)
);
