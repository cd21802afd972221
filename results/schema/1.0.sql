-- The truth: append-only, never changed.
create table event (
    run text not null,
    sequence bigint not null,
    at_ms bigint not null,
    name text not null,
    body text not null,
    primary key (run, sequence)
);

-- Projections: written with the events, and rebuildable from them.
create table run (
    id text primary key,
    problem text not null,
    scale text not null,
    status text not null,
    created_ms bigint not null,
    updated_ms bigint not null,
    sequence bigint not null,
    ideas bigint not null,
    queued bigint not null,
    running bigint not null,
    measured bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    baseline_reward double precision,
    best_reward double precision,
    best_idea text,
    config text not null
);

create table idea (
    id text primary key,
    run text not null,
    number bigint not null,
    title text not null,
    operator text,
    parents text not null,
    origin text not null,
    techniques text not null,
    state text not null,
    commit_hash text,
    fault_class text,
    fault_reason text,
    reward double precision
);
create index idea_run on idea (run, number);

create table experiment (
    id text primary key,
    run text not null,
    number bigint not null,
    idea text not null,
    purpose text not null,
    scale text not null,
    seed text not null,
    state text not null,
    attempt text,
    queued_ms bigint not null,
    ended_ms bigint,
    metric double precision,
    reward double precision,
    result text,
    fault_class text,
    fault_reason text
);
create index experiment_run on experiment (run, number);

create table attempt (
    id text primary key,
    run text not null,
    experiment text not null,
    number bigint not null,
    slot bigint not null,
    gpus text not null,
    state text not null,
    started_ms bigint not null,
    ended_ms bigint,
    wall_s double precision,
    cpu_s double precision,
    peak_memory_mb double precision,
    peak_gpu_memory_mb double precision,
    fault_class text,
    fault_reason text
);
create index attempt_run on attempt (run);

-- What attempts reported while they ran; not part of the log.
create table metric (
    attempt text not null,
    n bigint not null,
    wall_s double precision not null,
    cpu_s double precision not null,
    body text not null,
    primary key (attempt, n)
);

-- What other processes ask of the one that works on a run.
create table request (
    id bigint primary key,
    run text not null,
    at_ms bigint not null,
    kind text not null,
    body text not null,
    taken_at_ms bigint
);
create index request_run on request (run, id);
