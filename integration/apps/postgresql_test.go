package apps

import (
	"os"
	"strings"
	"testing"
)

const postgres = "105:105"

func TestPostgreSQL(t *testing.T) { postgreSQL().test(t) }

func postgreSQL() application {
	return application{
		name:  "postgresql",
		ready: func(b *box) { b.answersSQL() },
		use:   usePostgreSQL,
		attacks: []attack{
			{name: "a program, by COPY", try: sql("copy (select 1) to program '/usr/bin/cat >/var/lib/postgresql/data/dropped'"),
				module: "files", about: "exec /usr/bin/cat", rule: "file /bin "},
			{name: "a dropped program, by COPY", try: func(b *box) (bool, string) {
				b.ok(b.psql("copy (select '#!/bin/sh') to '/var/lib/postgresql/data/program'"))
				b.must(os.Chmod(b.path("rootfs/var/lib/postgresql/data/program"), 0o755))
				return sql("copy (select 1) to program '/var/lib/postgresql/data/program'")(b)
			}, module: "files", about: "exec /var/lib/postgresql/data/program", rule: "file /var/lib/postgresql "},
			{name: "another's file, by COPY", try: sql("create temp table stolen (line text); copy stolen from '/srv/secret'"),
				module: "files", about: "open /srv/secret", rule: "no rule"},
			{name: "another service, by dblink", try: func(b *box) (bool, string) {
				bait := b.bait()
				r := b.psql("create extension if not exists dblink; select dblink_connect('host=127.0.0.1 port=" + bait.port + " dbname=x user=x')")
				return bait.caught.Load(), r.out
			}, module: "sockets", about: "connect tcp 127.0.0.1:", rule: "no rule"},
		},
	}
}

// psql runs a script as the superuser, over the UNIX socket.
func (b *box) psql(script string) result {
	b.Helper()
	cmd := b.command("exec", "--user", postgres, b.id, "/usr/local/bin/psql", "--no-psqlrc", "-qAtv", "ON_ERROR_STOP=1", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	return b.finish(cmd)
}

// sql is an attack by a statement.
func sql(statement string) func(*box) (bool, string) {
	return func(b *box) (bool, string) {
		b.Helper()
		r := b.psql(statement)
		return r.code == 0, r.out
	}
}

func (b *box) answersSQL() {
	b.Helper()
	b.eventually("PostgreSQL answers", func() bool { return b.psql("select 1").code == 0 })
}

// usePostgreSQL makes tables, works in transactions that are kept and taken back, sorts more than fits memory, reads by
// several processes, dumps, connects by TCP with a password, and starts again on what is there.
func usePostgreSQL(b *box) (said string) {
	b.Helper()
	do := func(script string) { said += b.ok(b.psql(script)) }
	do(`create table t (id int primary key, name text, x double precision);
insert into t select i, 'name ' || i % 1000, i * 0.5 from generate_series(1, 50000) i;
create index on t (name);
begin; delete from t where id > 100; select count(*) from t; rollback;
begin; update t set x = x + 1 where id <= 10; commit;
select count(*), sum(x) from t;`)
	do(`set work_mem = '64kB'; select md5(string_agg(name, ',' order by name, id)) from t;`) // temporary files
	do(`set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0; select count(*) from t where name like '%7'; vacuum analyze t;`) // /dev/shm
	do(`create role app login password 'secret'; grant all on t to app; create database other; create tablespace s location '/var/lib/postgresql/space';
create table u tablespace s as select * from t where id < 5; select * from u; checkpoint;`)
	said += b.ok(b.run("exec", "--user", postgres, "--env", "PGPASSWORD=secret", b.id, "/usr/local/bin/psql", "-qAt", "-h", "127.0.0.1", "-U", "app", "-d", "postgres", "-c", "select count(*) from t"))
	said += itoa(strings.Count(b.ok(b.exec(postgres, "/usr/local/bin/pg_dump", "postgres")), "\n")) + " lines dumped\n"
	b.end("INT") // fast shutdown
	b.again()
	b.answersSQL()
	do(`select count(*), sum(x) from t; select * from u; drop table u; drop tablespace s; drop database other; drop table t;`)
	return said
}
