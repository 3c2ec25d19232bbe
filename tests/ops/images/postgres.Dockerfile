# Stands in for the public PostgreSQL image where no registry answers: Debian's server behind the variables, the user and
# the folders of that one. `tools/stand_ins.sh` builds it.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null 2>&1 \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/*/main \
 && ln -s /usr/lib/postgresql/*/bin /opt/postgresql \
 && install --directory --owner=postgres --group=postgres --mode=0700 /var/lib/postgresql/data \
 && chmod 3777 /run/postgresql
COPY postgres.sh /usr/local/bin/
ENV PATH=/opt/postgresql:$PATH PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
USER postgres
CMD ["postgres.sh"]
