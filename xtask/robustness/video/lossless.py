#!/usr/bin/env python3
"""Marks the pictures of a video without encoding losses, for the quality of the mark alone: lossless.py VIWM IN OUT PAYLOAD."""
import json
import subprocess
import sys

viwm, source, target, payload = sys.argv[1:]
probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,r_frame_rate", "-of", "json"]
stream = json.loads(subprocess.check_output([*probe, source]))["streams"][0]
size, rate = (stream["width"], stream["height"]), stream["r_frame_rate"]
above, below = rate.split("/")
decode = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-noautorotate", "-i", source, "-map", "0:v:0", "-fps_mode", "passthrough",
                           "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], stdout=subprocess.PIPE)
mark = subprocess.Popen([viwm, "embed", *map(str, size), str(float(above) / float(below)), payload], stdin=decode.stdout,
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "{}x{}".format(*size), "-r", rate, "-i", "-",
                "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", target], stdin=mark.stdout, check=True)
sys.exit(mark.wait() or decode.wait())
