"""The configuration of nginx, haproxy and Caddy: one worker each, upstream connections kept, nothing logged.

Each is set up as its manual advises for a busy upstream: HTTP/1.1 and kept connections, bodies streamed
rather than spooled to disk, no limit on how long a connection may be used.
"""

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    client_max_body_size 0;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream go {{
        server unix:{socket};
        keepalive 1024;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_max_temp_file_size 0;
        location / {{ proxy_pass http://go; }}
        location /upload {{ proxy_pass http://go; proxy_request_buffering off; }}
        location /events {{ proxy_pass http://go; proxy_buffering off; }}
        location /socket {{
            proxy_pass http://go;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    option forwardfor
    option http-no-delay
    http-reuse always
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout tunnel 300s
frontend front
    bind 127.0.0.1:{port}
    default_backend go
backend go
    server go unix@{socket} pool-max-conn 1024
"""

CADDY = """
{{
    admin off
    auto_https off
    persist_config off
    log {{
        level ERROR
    }}
}}
:{port} {{
    bind 127.0.0.1
    reverse_proxy unix/{socket} {{
        transport http {{
            keepalive_idle_conns 1024
            keepalive_idle_conns_per_host 1024
            compression off
        }}
    }}
}}
"""
