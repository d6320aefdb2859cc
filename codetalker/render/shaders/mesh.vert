#version 330 core
// A studio portrait: a warm key from the upper left, a cool fill, a rim from behind, and light from all around that
// reaches a point as far as it is open to it. All of it is found per vertex: heads are dense, a triangle covers a few
// pixels, and on software GL the fragments are what costs.
// Attribute places are filled in by pyrender. `tangent` carries our surface: kind, openness to the sky, to the key,
// to the rim light.

layout(location = 0) in vec3 position;
layout(location = NORMAL_LOC) in vec3 normal;
layout(location = TANGENT_LOC) in vec4 tangent;
#ifdef TEXCOORD_0_LOC
layout(location = TEXCOORD_0_LOC) in vec2 texcoord_0;
out vec2 uv;
#endif
layout(location = COLOR_0_LOC) in vec4 color_0;

uniform mat4 to_clip;
uniform vec3 cam_pos;

#ifdef HAS_EMISSIVE_TEX
out vec3 light;  // linear, on a white surface
out vec3 shine;  // linear, whatever the surface's colour
out float alpha;
#else
noperspective out vec4 colour; // as shown; triangles are too small to tell, and it costs less
#endif
#ifdef USE_GLOSSY_MATERIAL
out vec3 to_camera;
out vec3 facing;
out float gloss;
#endif

const vec3 KEY = vec3(-0.4751, 0.5700, 0.6703); // as in openness.py
const vec3 KEY_COLOUR = vec3(1.08, 0.99, 0.89);
const vec3 FILL = vec3(0.7715, 0.1543, 0.6172);
const vec3 FILL_COLOUR = vec3(0.20, 0.225, 0.26);
const vec3 RIM = vec3(0.6337, 0.4225, -0.6480);
const vec3 RIM_COLOUR = vec3(0.55, 0.60, 0.70);
const vec3 SKY = vec3(0.33, 0.35, 0.38);
const vec3 GROUND = vec3(0.17, 0.14, 0.125);
const vec3 WRAP = vec3(0.42, 0.20, 0.14); // red light travels further under skin, round into the shadow

// In the order of Surface in figure.py: scattering, strength of the highlight, rim.
const vec3 RESPONSES[5] = vec3[5](
    vec3(1.00, 0.11, 1.0), // skin
    vec3(0.35, 1.00, 0.0), // eye
    vec3(0.60, 0.35, 0.0), // wet
    vec3(0.20, 0.10, 0.8), // hair
    vec3(0.10, 0.03, 0.6)  // matte
);
const float BACKDROP = 5.0;

vec3 diffuse(float cosine, vec3 wrap)
{
    return max((cosine + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0);
}

vec3 encode(vec3 x)
{
    x = x / (1.0 + 0.15 * x); // a soft shoulder instead of clipped highlights
    return mix(1.055 * pow(x, vec3(1.0 / 2.4)) - 0.055, 12.92 * x, lessThan(x, vec3(0.0031308)));
}

void main()
{
    bool backdrop = tangent.x > BACKDROP - 0.5;
    gl_Position = backdrop ? vec4(position.xy, 0.99999, 1.0) : to_clip * vec4(position, 1.0);
    gl_Position.y = -gl_Position.y; // rows are read top first

    vec3 response = RESPONSES[min(int(tangent.x + 0.5), 4)];
    float open = tangent.y;
    vec3 view = normalize(cam_pos - position);
    vec3 wrap = WRAP * response.x;
    vec3 key = KEY_COLOUR * mix(tangent.z, 1.0, 0.06);
    // What little light is in a fold of skin has been through skin.
    vec3 soft_open = mix(vec3(open), vec3(sqrt(open)), vec3(0.45, 0.12, 0.06) * response.x);
    vec3 lit = key * diffuse(dot(normal, KEY), wrap) + FILL_COLOUR * open * diffuse(dot(normal, FILL), wrap)
        + soft_open * mix(GROUND, SKY, 0.5 + 0.5 * normal.y);

    float grazing = 1.0 - max(dot(normal, view), 0.0);
    float fresnel = 0.35 + 0.65 * pow(grazing, 4.0);
    float to_key = max(dot(normal, normalize(KEY + view)), 0.0), to_fill = max(dot(normal, normalize(FILL + view)), 0.0);
    // The sheen of skin: two lobes, a broad one and a tighter one.
    vec3 sheen = response.y * fresnel * (key * (0.5 * pow(to_key, 9.0) + 0.5 * pow(to_key, 28.0))
        + FILL_COLOUR * open * pow(to_fill, 12.0));
#ifdef USE_GLOSSY_MATERIAL
    sheen *= 0.1; // their highlights are per pixel; a broad sheen makes pupils grey
#endif
    vec3 rim = response.z * RIM_COLOUR * tangent.w * pow(grazing, 3.0) * max(dot(normal, RIM) + 0.35, 0.0);
    vec3 extra = sheen + (0.3 + color_0.rgb) * rim;

#ifdef HAS_EMISSIVE_TEX
    light = lit * color_0.rgb;
    shine = extra;
    alpha = color_0.a;
#else
    colour = vec4(encode(backdrop ? color_0.rgb : color_0.rgb * lit + extra), backdrop ? -1.0 : color_0.a);
#endif
#ifdef USE_GLOSSY_MATERIAL
    to_camera = view;
    facing = normal;
    gloss = response.y * (0.15 + 0.85 * open);
#endif
#ifdef TEXCOORD_0_LOC
    uv = texcoord_0;
#endif
}
