# PostgreSQL with apikeys: docker build --build-arg PG_MAJOR=17 -t postgres-apikeys . && docker run --shm-size=512m postgres-apikeys
# The versions of packages are those of the image's Debian, of which only the last patch stays in its archive: DL3008 does not apply.
ARG PG_MAJOR=17
FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libcurl4-openssl-dev make \
    "postgresql-server-dev-${PG_MAJOR}" zlib1g-dev && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN make with_llvm=no && make install with_llvm=no DESTDIR=/out

FROM postgres:${PG_MAJOR}-bookworm
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out /
