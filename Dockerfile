# Stages: base (PHP) → build (kqueue.so) → test (tests/phpt in it); runtime is base plus kqueue.so, without compilers.
#   docker build -t kqueue .
#   docker run --rm kqueue

FROM debian:trixie-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      php8.4-cli php8.4-bcmath php8.4-curl php8.4-intl php8.4-mbstring php8.4-mysql php8.4-pgsql php8.4-redis php8.4-sqlite3 php8.4-xml \
      ca-certificates tini \
 && rm -rf /var/lib/apt/lists/*


FROM base AS build
# cargo-web and rustc-web are Debian's newer Rust; the plain packages are too old for ext-php-rs.
RUN apt-get update \
 && apt-get install -y --no-install-recommends cargo-web rustc-web clang gcc libc6-dev libclang-dev php8.4-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# What is to be copied on lies in /out as it shall lie in the image, so that only this stage knows PHP's folders.
# The secret is a bundle of certificates, for networks with one of their own; it is not kept in the image.
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/src/target --mount=type=secret,id=certificates \
    if [ -s /run/secrets/certificates ]; then export CARGO_HTTP_CAINFO=/run/secrets/certificates; fi \
 && cargo build --release --locked --package kqueue-ext \
 && install -D -m 644 target/release/libkqueue.so "/out$(php-config --extension-dir)/kqueue.so" \
 && install -d /out/etc/php/8.4/mods-available \
 && echo 'extension=kqueue' >/out/etc/php/8.4/mods-available/kqueue.ini


FROM build AS test
RUN cp -r /out/. / && phpenmod kqueue
COPY stubs stubs
COPY tests/phpt tests/phpt
RUN php -r 'exit(extension_loaded("kqueue") ? 0 : 1);' \
 && NO_INTERACTION=1 TEST_TIMEOUT=60 TEST_PHP_EXECUTABLE=/usr/bin/php8.4 \
    php -n "$(php-config --extension-dir)/build/run-tests.php" \
      -q -n -j"$((2 * $(nproc)))" --shuffle --no-color --no-progress --show-diff -W /tmp/results tests/phpt \
 && ! grep -vE '^(PASSED|SKIPPED)' /tmp/results


FROM base AS runtime
COPY --from=build /out/ /
RUN phpenmod kqueue && useradd --uid 10001 --create-home --shell /usr/sbin/nologin kqueue
WORKDIR /opt/kqueue
COPY composer.json LICENSE ./
COPY php php
COPY stubs stubs
COPY examples examples
USER 10001:10001
# As process 1, PHP would not be ended by SIGTERM unless it handles it.
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["php", "examples/demo.php"]
