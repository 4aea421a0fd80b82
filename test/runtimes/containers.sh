# Sourced by the stories of podman and buildah: their configuration, within the story's own directory.
# shellcheck shell=bash

containers_configure() {
  mkdir -p "$base/etc"
  cat >"$base/etc/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$base/graph"
runroot = "/run/containers/storage"
[storage.options.overlay]
mount_program = "$bin/stratafs-overlay"
END
  # Limits and cgroups are the machine's affair, not the story's.
  cat >"$base/etc/containers.conf" <<END
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
cgroups = "disabled"
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
END
  echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$base/etc/policy.json"
  cat >"$base/etc/registries.conf" <<END
unqualified-search-registries = ["localhost"]
[[registry]]
location = "localhost:5000"
insecure = true
END
  export CONTAINERS_STORAGE_CONF=$base/etc/storage.conf CONTAINERS_CONF=$base/etc/containers.conf CONTAINERS_REGISTRIES_CONF=$base/etc/registries.conf
  # The policy's place has no environment variable.
  mkdir -p "$HOME/.config/containers" && cp "$base/etc/policy.json" "$HOME/.config/containers/policy.json"
}

# A registry on loopback that ends with the story's process namespace.
containers_registry() {
  cat >"$base/etc/registry.yml" <<END
version: 0.1
storage: { filesystem: { rootdirectory: $base/registry }, delete: { enabled: true } }
http: { addr: localhost:5000 }
END
  docker-registry serve "$base/etc/registry.yml" >"$base/registry.log" 2>&1 &
  story_await bash -c 'exec 3<>/dev/tcp/localhost/5000' || cat "$base/registry.log"
}

# The process that serves the root filesystem of container $1.
containers_server() {
  pgrep -f -- "--serve .*$(podman inspect -f '{{.GraphDriver.Data.MergedDir}}' "$1")" | head -n 1
}
