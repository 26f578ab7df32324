"""What detectron2's mapper does to a training picture, with Pillow and NumPy (Debian's python3-pil, python3-numpy).

usage: reference_mapper.py ANNOTATIONS.json IMAGES SECONDS

Decode, EXIF orientation, BGR, bilinear resize to a shorter side of 800 (longer at most 1333), flip of every second
picture, channels first, polygons moved along, boxes. One thread. Prints pictures a second of processor time.
"""
import json
import os
import sys
import time

import numpy as np
from PIL import Image, ImageOps


def load(folder, record, annotations, flip):
    picture = ImageOps.exif_transpose(Image.open(os.path.join(folder, record["file_name"]))).convert("RGB")
    pixels = np.asarray(picture)[:, :, ::-1]
    height, width = pixels.shape[:2]
    scale = 800 / min(height, width)
    new_height, new_width = (800, scale * width) if height < width else (scale * height, 800)
    if max(new_height, new_width) > 1333:
        shrink = 1333 / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    new_height, new_width = int(new_height + 0.5), int(new_width + 0.5)
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize((new_width, new_height), Image.BILINEAR)
    pixels = np.asarray(resized)
    if flip:
        pixels = pixels[:, ::-1]
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    boxes = []
    polygons = []
    for annotation in annotations:
        if annotation.get("iscrowd") or not isinstance(annotation["segmentation"], list):
            continue
        moved = []
        for polygon in annotation["segmentation"]:
            points = np.asarray(polygon, dtype="float64").reshape(-1, 2)
            points = points * (new_width / width, new_height / height)
            if flip:
                points[:, 0] = new_width - points[:, 0]
            moved.append(points.reshape(-1))
        polygons.append(moved)
        points = np.concatenate(moved).reshape(-1, 2)
        boxes.append(np.concatenate([points.min(axis=0), points.max(axis=0)]))
    return channels_first, np.asarray(boxes, dtype="float32"), polygons


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        content = json.load(file)
    by_image = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    for record in content["images"]:  # warm up
        load(sys.argv[2], record, by_image.get(record["id"], []), False)
    count = 0
    start = time.process_time()
    while time.process_time() - start < float(sys.argv[3]):
        for record in content["images"]:
            load(sys.argv[2], record, by_image.get(record["id"], []), count % 2 == 1)
            count += 1
    print(f"{count / (time.process_time() - start):.1f} pictures per second of processor time")


main()
