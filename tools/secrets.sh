#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml mounts, one folder a service: random ones, once. What is there stays.
#
#   tools/secrets.sh [DIR]     # default: secrets
#
# Every other setting of a service may be added as a file of the variable's name in small letters, such as a model's key:
#   install -m 0444 key.txt secrets/judge/codearena_judge_api_key
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-secrets}

random() { head --bytes 32 /dev/urandom | base64 --wrap 0 | tr '+/' '-_' | tr -d '='; }

# Files are readable in the container, whoever it runs as; on the host nobody gets past the folder.
write() {
  [ -e "$folder/$1" ] && return
  mkdir -p "$(dirname "$folder/$1")"
  printf '%s\n' "$2" >"$folder/$1"
  chmod 0444 "$folder/$1"
}

umask 022
mkdir -p "$folder"
chmod 0700 "$folder"
write env/codearena_token "$(random)"
token=$(cat "$folder/env/codearena_token")
for service in executor gateway judge prometheus; do write "$service/codearena_token" "$token"; done
write postgres/password "$(random)"
write env/codearena_database_url "postgresql://codearena:$(cat "$folder/postgres/password")@postgres/codearena"
write grafana/password "$(random)"
printf 'secrets: %s is complete; clients of the arena: export CODEARENA_TOKEN=$(cat %s/env/codearena_token)\n' \
  "$folder" "$folder" >&2
