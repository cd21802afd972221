-- What models were paid.
alter table run add column usd double precision;
alter table run add column tokens bigint;

create table call (
    run text not null,
    call_key text not null,
    round bigint not null,
    role text not null,
    model text not null,
    at_ms bigint not null,
    input_tokens bigint not null,
    cached_tokens bigint not null,
    output_tokens bigint not null,
    usd double precision,
    latency_ms bigint not null,
    error text,
    primary key (run, call_key, round)
);
