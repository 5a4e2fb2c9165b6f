# PostgreSQL with apikeys: docker build --build-arg PG_MAJOR=17 -t postgres-apikeys . && docker run --shm-size=512m postgres-apikeys
ARG PG_MAJOR=17
FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libcurl4-openssl-dev make \
    "postgresql-server-dev-${PG_MAJOR}" zlib1g-dev && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN make with_llvm=no && make install with_llvm=no DESTDIR=/out

FROM postgres:${PG_MAJOR}-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out /
